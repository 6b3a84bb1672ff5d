"""The page `report/index.html`: one file that shows a run to people who would rather look than read.

`data` says what a page is made of, `figures` and `projection` work out what is drawn, `render` makes the HTML.
"""
