"""What a release needs: a wheel that is checked, and the licences of what it installs."""
