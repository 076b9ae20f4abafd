"""The database room: tables, the engine, the embedded server. No rule of the product lives here."""
