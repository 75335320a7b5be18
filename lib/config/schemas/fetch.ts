import { z } from "zod";

/** Data sets that can be downloaded from their home page. */
export const FetchKind = z.enum(["cifar10", "cifar100"]);
export type FetchKind = z.infer<typeof FetchKind>;

/** The data set to download, and its destination. */
export const FetchOptions = z.strictObject({
  kind: FetchKind,
  /** Directory in which the data set's own directory is created; created if missing. */
  directory: z.string().min(1),
  /** Alternative URL of the same archive. Default: the data set's home page. */
  url: z.url({ protocol: /^https?$/ }).describe("an http or https address").optional(),
});
export type FetchOptions = z.infer<typeof FetchOptions>;
