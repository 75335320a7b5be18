// Questions to the main process. Answers are checked, and failures become errors with their codes.
import { z } from "zod";
import type { Channel } from "../shared/channels.js";
import { Answer, CONTRACT, Update, type Bridge, type Failure, type RequestOf, type ResponseOf } from "../shared/contract.js";

/** Something was refused or went wrong in the main process or its trainer. */
export class AskError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

/** The main process, as the window sees it. */
export interface Asker {
  ask<Name extends Channel>(name: Name, request: RequestOf<Name>): Promise<ResponseOf<Name>>;
  onUpdate(listener: (update: Update) => void): () => void;
}

/** @throws AskError */
export function askerFor(bridge: Bridge): Asker {
  const check = <Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> => {
    const { data, error } = schema.safeParse(value);
    if (error !== undefined) throw new AskError({ code: "INTERNAL", message: `expected ${what}, got something else: ${z.prettifyError(error)}`, valid: [] });
    return data;
  };
  return {
    ask: async (name, request) => {
      const answer = check(Answer, await bridge[name](request), `an answer to ${name}`);
      if (!answer.ok) throw new AskError(answer.failure);
      return check(CONTRACT[name].response, answer.value, `the answer to ${name}`) as ResponseOf<typeof name>;
    },
    onUpdate: (listener) => bridge.onUpdate((update) => { listener(check(Update, update, "an update")); }),
  };
}

/** Any error, as it is shown. */
export function failureIn(error: unknown): Failure {
  if (error instanceof AskError) return error.failure;
  return { code: "INTERNAL", message: error instanceof Error ? error.message : String(error), valid: [] };
}
