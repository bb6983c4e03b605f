"""What a study says: tables, sentences, figures and pages, from its rows and run folders."""
