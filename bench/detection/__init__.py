"""How much inspect finds, and how often it is wrong: an offline evaluation over lists of attacks and harmless texts."""
