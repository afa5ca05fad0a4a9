"""Where bytes of strangers enter, each attacked in a process of its own."""
