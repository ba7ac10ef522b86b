"""`python -m doorward` is `doorward`."""

from doorward.cli import main

main()
