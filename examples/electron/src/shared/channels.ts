// What a renderer may ask of the main process, by name. The preload script offers these and nothing else.
export const CHANNELS = ["describe", "runs", "open", "start", "resume", "stop", "chooseWeights", "chooseDirectory", "exportStudent"] as const;

export type Channel = (typeof CHANNELS)[number];

/** On this one the main process tells what happens. */
export const UPDATES = "update";
