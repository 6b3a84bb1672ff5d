"""Entry points for `ray job submit`: argument parsing and nothing else, with the options of `curation`."""
