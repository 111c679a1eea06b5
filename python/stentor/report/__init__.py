"""Reports: one page of HTML that shows a recorded run, with everything that it needs inside.

`write_report` makes one. `_columns` turns a recording into what the page reads, `_writing` puts the page together of
the files in `page/`: its text, its style, its programs, and ECharts (in `vendor/`, beside its licence).
"""

from __future__ import annotations

from stentor.report._writing import write_report as write_report

write_report.__module__ = "stentor.report"
