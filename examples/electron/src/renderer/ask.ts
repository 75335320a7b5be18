// Requests to the main process. Responses are validated, and failures become errors with their codes.
import { z } from "zod";
import type { Channel } from "../shared/channels.js";
import { Answer, CONTRACT, Update, type Bridge, type Failure, type RequestOf,
  type ResponseOf } from "../shared/contract.js";

/** A request that the main process or its trainer refused, or that failed there. */
export class AskError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

/** The main process as seen from the window. */
export interface Asker {
  ask<Name extends Channel>(name: Name, request: RequestOf<Name>): Promise<ResponseOf<Name>>;
  onUpdate(listener: (update: Update) => void): () => void;
}

/** @throws AskError */
export function askerFor(bridge: Bridge): Asker {
  const check = <Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> => {
    const { data, error } = schema.safeParse(value);
    if (error !== undefined)
      throw new AskError({ code: "INTERNAL", message: `invalid ${what}: ${z.prettifyError(error)}`, valid: [] });
    return data;
  };
  return {
    ask: async (name, request) => {
      const answer = check(Answer, await bridge[name](request), `answer to ${name}`);
      if (!answer.ok) throw new AskError(answer.failure);
      return check(CONTRACT[name].response, answer.value, `answer to ${name}`) as ResponseOf<typeof name>;
    },
    onUpdate: (listener) =>
      bridge.onUpdate((update) => {
        listener(check(Update, update, "update"));
      }),
  };
}

/** Any error as a failure, for display. */
export function failureIn(error: unknown): Failure {
  if (error instanceof AskError) return error.failure;
  return { code: "INTERNAL", message: error instanceof Error ? error.message : String(error), valid: [] };
}
