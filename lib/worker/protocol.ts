// The messages between a caller and its worker. Each side checks what it receives against these schemas.
import { createBirpc, type BirpcReturn } from "birpc";
import { z } from "zod";
import { ERROR_CODES, isReviewKdError, messageOf, ReviewKdError } from "../errors.js";
import { parse } from "../validation.js";
import { Sent, transferListOf } from "./sent-values.js";

/** Changes with the messages. Both sides come from one package unless an application was put together wrongly. */
export const PROTOCOL = 2;

const Id = z.int().nonnegative();
const Handle = z.int();

/** Arguments of what the worker answers. Calls are numbered by the caller; generators go by the number of their call. */
const CALLS = {
  /** `target`: the handle of the object whose method is called; null for a function. */
  call: z.tuple([Id, Handle.nullable(), z.string(), Sent, z.boolean()]),
  next: z.tuple([Id]),
  return: z.tuple([Id]),
};

/** Arguments of what the worker is notified of. */
const NOTIFICATIONS = {
  /** Creates an object of a class under a handle that the caller chose. */
  create: z.tuple([Handle.negative(), z.string(), Sent]),
  abort: z.tuple([Id]),
  /** `count`: how often the caller received the handle; null: dispose of the object, however often that was. */
  release: z.tuple([Handle, Id.nullable()]),
  close: z.tuple([]),
};

/** Arguments of what the caller is notified of. */
const REPORTS = {
  ready: z.tuple([z.number(), Id]),
  progress: z.tuple([Id, Sent]),
  /** Sent before the answer to the call that changed the property. */
  update: z.tuple([Handle, z.string(), Sent]),
};

type Functions<Arguments extends Record<string, z.ZodType>, Result> = {
  [Name in keyof Arguments]: (...args: Extract<z.infer<Arguments[Name]>, unknown[]>) => Result;
};
export type WorkerFunctions = Functions<typeof CALLS, Promise<Sent>> & Functions<typeof NOTIFICATIONS, void>;
export type CallerFunctions = Functions<typeof REPORTS, void>;

/** An error as it travels. */
const SentError = z.strictObject({
  code: z.enum(ERROR_CODES).nullable(), message: z.string(), valid: z.array(z.string()), stack: z.string().optional(),
});

// The envelopes of birpc: requests ("q") with an id, requests without one, and responses ("s").
const request = <Name extends string, Args extends z.ZodType>(m: Name, a: Args) =>
  z.strictObject({ t: z.literal("q"), m: z.literal(m), a, i: z.string() });
const notification = <Name extends string, Args extends z.ZodType>(m: Name, a: Args) =>
  z.strictObject({ t: z.literal("q"), m: z.literal(m), a });

/** From the caller to the worker. */
export const ToWorker = z.discriminatedUnion("m", [
  request("call", CALLS.call), request("next", CALLS.next), request("return", CALLS.return),
  notification("create", NOTIFICATIONS.create), notification("abort", NOTIFICATIONS.abort),
  notification("release", NOTIFICATIONS.release), notification("close", NOTIFICATIONS.close),
]);

/** From the worker to the caller. */
export const ToCaller = z.discriminatedUnion("t", [
  z.strictObject({ t: z.literal("s"), i: z.string(), r: Sent.optional(), e: SentError.optional() }),
  z.discriminatedUnion("m", [
    notification("ready", REPORTS.ready), notification("progress", REPORTS.progress), notification("update", REPORTS.update),
  ]),
]);

/** One end of the way between two processes or threads. */
export interface Channel {
  post(message: unknown, transfer: ArrayBuffer[]): void;
  onMessage(listener: (message: unknown) => void): void;
}

/**
 * Opens one side. A message that does not match `incoming` is not answered: `onInvalid` gets its error.
 */
export function connect<Remote extends object, Local extends object>(
  functions: Local, channel: Channel, incoming: z.ZodType, onInvalid: (error: Error) => void,
): BirpcReturn<Remote, Local> {
  return createBirpc<Remote, Local>(functions, {
    timeout: -1,
    bind: "functions",
    post: (message: { readonly a?: unknown[]; readonly r?: unknown }) => {
      channel.post(message, transferListOf([...message.a ?? [], message.r]));
    },
    on: (listener) => {
      channel.onMessage((message) => {
        try {
          listener(parse(incoming, message, "message"));
        } catch (error) {
          onInvalid(error as Error);
        }
      });
    },
    serialize: (message: object) => ("e" in message ? { ...message, e: packError(message.e) } : message),
    deserialize: (message: { readonly e?: z.infer<typeof SentError> }) =>
      (message.e === undefined ? message : { ...message, e: unpackError(message.e) }),
  });
}

function packError(error: unknown): z.infer<typeof SentError> {
  const stack = error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {};
  const known = isReviewKdError(error) ? { code: error.code, valid: [...error.valid] } : { code: null, valid: [] };
  return { ...known, message: messageOf(error), ...stack };
}

/** The error that was sent. Its cause has the stack of the worker. */
function unpackError({ code, message, valid, stack }: z.infer<typeof SentError>): Error {
  const cause = new Error(message);
  if (stack !== undefined) cause.stack = stack;
  return code === null ? new Error(message, { cause }) : new ReviewKdError(code, message, { valid, cause });
}
