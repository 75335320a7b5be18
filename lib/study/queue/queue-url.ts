import { z } from "zod";

/** The address of a Redis. */
export const QueueUrl = z.string().regex(/^rediss?:\/\/[^/\s]+(?:\/\d*)?$/).describe(
  "the address of a Redis, redis://HOST:PORT or redis://HOST:PORT/NUMBER",
);
