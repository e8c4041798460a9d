"""The admin's pages: the rates as HTML, JSON, CSV and as an exposition for scrapers."""
