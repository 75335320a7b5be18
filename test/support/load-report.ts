/** The part of a report on a state dict whose names are the network's own. */
export const AS_STORED = { prefixes: [], layout: "", leftAside: [] } as const;
