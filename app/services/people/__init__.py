"""Who asks: users and their teams, logins and API keys, and what is refused to them who ask too often."""
