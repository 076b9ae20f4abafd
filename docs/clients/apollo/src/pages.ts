// Which pages belong to one list that grows in the cache.

/** What makes it another list: all of its arguments but those that say which part of it is asked for. */
export const others = (args: Record<string, unknown> | null): string[] =>
  Object.keys(args ?? {}).filter((name) => !["first", "after", "last", "before"].includes(name));
