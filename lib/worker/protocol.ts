// The messages between a caller and its worker. Each side checks what it receives against these schemas.
import { createBirpc, type BirpcReturn } from "birpc";
import { z } from "zod";
import { ERROR_CODES, isError, isReviewKdError, messageOf, ReviewKdError } from "../errors.js";
import { parse } from "../config/validation.js";
import { transferListOf } from "./values.js";

/** Changes with the messages. Both sides come from one package unless an application was put together wrongly. */
export const PROTOCOL = 4;

const Id = z.int().nonnegative();
const Handle = z.int();
const Value = z.unknown();

/** Arguments of what a worker answers. Calls are numbered by the caller; a generator has the number of its call. */
const REQUESTS = {
  /** A method of the object with a handle, or a function if that is null; names of the callbacks that it was given. */
  call: z.tuple([Id, Handle.nullable(), z.string(), Value, z.array(z.string())]),
  next: z.tuple([Id]),
  return: z.tuple([Id]),
};

/** Arguments of what a worker does without an answer. */
const NOTIFICATIONS = {
  /** Creates an object of a class under a handle that the caller chose. */
  create: z.tuple([Handle.negative(), z.string(), Value]),
  abort: z.tuple([Id]),
  /** Forgets a handle that the caller received so many times; null: disposes of the object. */
  release: z.tuple([Handle, Id.nullable()]),
  close: z.tuple([]),
};

/** Arguments of what a worker reports. */
const REPORTS = {
  /** The protocol and the process id. */
  ready: z.tuple([z.number(), Id]),
  /** A callback of a call by its name, and its argument. */
  callback: z.tuple([Id, z.string(), Value]),
  /** A property that has changed, before the answer to the call that changed it. Of a list, what was added. */
  update: z.tuple([Handle, z.string(), Value]),
};

type Functions<Arguments extends Record<string, z.ZodType<unknown[]>>, Result> = {
  [Name in keyof Arguments]: (...args: z.infer<Arguments[Name]>) => Result;
};
export type WorkerFunctions = Functions<typeof REQUESTS, Promise<unknown>> & Functions<typeof NOTIFICATIONS, void>;
export type CallerFunctions = Functions<typeof REPORTS, void>;

/** An error as it travels. */
const SentError = z.strictObject({
  code: z.enum(ERROR_CODES).nullable(),
  message: z.string(),
  valid: z.array(z.string()),
  stack: z.string().optional(),
});
type SentError = z.infer<typeof SentError>;

// The envelopes of birpc: calls ("q"), with an id if they are answered, and answers ("s").
const call = (name: string, a: z.ZodType, id: { readonly i?: z.ZodString }) =>
  z.strictObject({ t: z.literal("q"), m: z.literal(name), a, ...id });
const calls = (functions: Record<string, z.ZodType>, id = {}) =>
  Object.entries(functions).map(([name, a]) => call(name, a, id));
const anyOf = (envelopes: readonly ReturnType<typeof call>[]) =>
  z.discriminatedUnion("m", envelopes as [ReturnType<typeof call>, ...ReturnType<typeof call>[]]);

/** From the caller to the worker. */
export const ToWorker = anyOf([...calls(REQUESTS, { i: z.string() }), ...calls(NOTIFICATIONS)]);
/** From the worker to the caller. */
export const ToCaller = z.discriminatedUnion("t", [
  z.strictObject({ t: z.literal("s"), i: z.string(), r: Value.optional(), e: SentError.optional() }),
  anyOf(calls(REPORTS)),
]);

/** One end of the way between two processes or threads. */
export interface Channel {
  post: (message: unknown, transfer: ArrayBuffer[]) => unknown;
  onMessage: (listener: (message: unknown) => void) => unknown;
}

/** Opens one side. A message that does not match `incoming` is not answered; `onInvalid` receives its error. */
export function connect<Remote extends object, Local extends object>(
  functions: Local,
  channel: Channel,
  incoming: z.ZodType,
  onInvalid: (error: Error) => void,
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
    deserialize: (
      message: { readonly e?: SentError },
    ) => (message.e === undefined ? message : { ...message, e: unpackError(message.e) }),
  });
}

function packError(error: unknown): SentError {
  const stack = isError(error) && error.stack !== undefined ? { stack: error.stack } : {};
  const known = isReviewKdError(error) ? { code: error.code, valid: [...error.valid] } : { code: null, valid: [] };
  return { ...known, message: messageOf(error), ...stack };
}

/** The error that was sent. Its cause has the stack of the worker. */
function unpackError({ code, message, valid, stack }: SentError): Error {
  const cause = new Error(message);
  if (stack !== undefined) cause.stack = stack;
  return code === null ? new Error(message, { cause }) : new ReviewKdError(code, message, { valid, cause });
}
