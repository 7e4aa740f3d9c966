"""The sub-commands of the command line: each module says its options and runs; heavy imports wait until it runs."""
