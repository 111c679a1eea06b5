//! The canonical text of a pattern with segments.
use crate::pattern::Element;
use crate::rules::Rules;

/// Writes normalised elements in the grammar they were read by.
pub(crate) fn write(elements: &[Element], rules: &Rules) -> String {
    let mut parts: Vec<String> = Vec::with_capacity(elements.len());
    for element in elements {
        match element {
            Element::Literal(text) => parts.push(text.to_string()),
            Element::Single => parts.push(rules.single.to_string()),
            Element::Glob(glob) => {
                let mut text = String::new();
                glob.write(&mut text);
                parts.push(text);
            }
            Element::Multi => {
                parts.truncate(parts.len() - rules.multi_min);
                parts.push(rules.multi.to_string());
            }
        }
    }
    let mut buffer = [0; 4];
    let text = parts.join(&*rules.separator.encode_utf8(&mut buffer));
    let means_everything = matches!(elements, [Element::Multi]);
    if rules.global.as_deref() == Some(&*text) && !means_everything {
        "?*".to_owned()
    } else {
        text
    }
}
