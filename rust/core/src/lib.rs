//! Topics, patterns and the subscription index of stentor, free of Python.
#![deny(unsafe_code)]
