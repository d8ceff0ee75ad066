"""What the launcher hands over to."""

from duckbourse.cli.main import main

main()
