"""One tree or pair as terminal text or HTML, shared by show, report, viewer and notebooks."""
