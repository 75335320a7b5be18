// The names of the requests that a renderer may send to the main process. The preload script offers these and nothing
// else.
export const CHANNELS = ["describe", "runs", "open", "start", "resume", "stop", "chooseWeights", "chooseDirectory",
  "exportStudent"] as const;

export type Channel = (typeof CHANNELS)[number];

/** The channel on which the main process sends updates. */
export const UPDATES = "update";
