"""What the product does: async functions (session, actor, …). All SQL is here; none commits."""
