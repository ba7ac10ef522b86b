"""One judge a class of harm: each reads a text by the grammar of where it could land, and says why it is an attack."""
