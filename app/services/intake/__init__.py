"""How pictures come in: uploads, tickets for them, and what is done with the bytes."""
