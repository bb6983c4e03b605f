"""The command line: each verb parses, calls one function below, prints. Heavy imports wait for that call."""
