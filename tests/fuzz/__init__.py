"""Every door through which a file or a word enters, tried with damaged ones: `python -m tests.fuzz --cases 2000`."""
