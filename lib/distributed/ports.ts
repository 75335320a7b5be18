/** Ports for processes that meet without one that was given; below those that systems hand out themselves. */
export const DERIVED_PORTS = { first: 20_000, count: 12_000 } as const;

/** The port of PyTorch's launchers. */
export const DEFAULT_PORT = 29_500;

export const LARGEST_PORT = 65_535;
