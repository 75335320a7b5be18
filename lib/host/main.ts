// What runs in the trainer's process or thread. Its caller's messages come through whatever started it.
import { parentPort } from "node:worker_threads";
import { messageOf } from "../errors.js";
import { parse } from "../config/validation.js";
import { PROTOCOL, ToTrainer, type ToCaller } from "./protocol.js";
import { Trainer } from "./trainer.js";

/** The way to the caller. */
interface Port {
  post(message: ToCaller, transfer: ArrayBuffer[]): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called when the caller is gone. */
  onGone(listener: () => void): void;
  /** Ends this process or thread once what was posted is on its way. */
  end(): void;
}

/** Electron's utility process gives its way to the parent a name that Node does not know. */
interface UtilityPort {
  postMessage(message: unknown): void;
  on(event: "message", listener: (event: { readonly data: unknown }) => void): void;
  start?(): void;
}

function findPort(): Port {
  const utility = (process as { readonly parentPort?: UtilityPort }).parentPort;
  if (utility !== undefined) {
    return {
      post: (message) => { utility.postMessage(message); },
      onMessage: (listener) => { utility.on("message", ({ data }) => { listener(data); }); },
      // Electron ends a utility process with its parent. Where it does so by a signal that can be heard, there is time to save.
      onGone: (listener) => { process.on("SIGTERM", listener); },
      end: () => { process.exit(); },
    };
  }
  if (process.send !== undefined) {
    const send = process.send.bind(process);
    return {
      // A caller that is just gone is told of by "disconnect".
      post: (message) => { if (process.connected) send(message, undefined, {}, () => undefined); },
      onMessage: (listener) => { process.on("message", listener); },
      onGone: (listener) => {
        process.on("disconnect", listener);
        process.on("SIGTERM", listener);
      },
      end: () => { process.exit(); },
    };
  }
  const port = parentPort;
  if (port !== null) {
    return {
      post: (message, transfer) => { port.postMessage(message, transfer); },
      onMessage: (listener) => { port.on("message", listener); },
      // A thread ends with its process, and nobody can be told before.
      onGone: () => undefined,
      end: () => { port.close(); },
    };
  }
  throw new Error("expected a caller for the trainer's process, got none: start it with startHost of reviewkd/host");
}

const port = findPort();
const trainer = new Trainer((message, transfer) => { port.post(message, transfer); });

let ending: Promise<void> | undefined;
function end(): void {
  ending ??= trainer.end().then(() => { port.end(); });
}

// Ctrl-C goes to all processes of a terminal at once. Here the caller decides; where it ends, this process saves and ends as well.
process.on("SIGINT", () => undefined);
port.onGone(end);
port.onMessage((text) => {
  try {
    const message = parse(ToTrainer, text, "a message to the trainer");
    if (message.type === "close") end();
    else void trainer.take(message);
  } catch (error) {
    // Who speaks another language cannot be answered.
    console.error(messageOf(error));
    process.exitCode = 1;
    end();
  }
});
port.post({ type: "ready", protocol: PROTOCOL, pid: process.pid }, []);
