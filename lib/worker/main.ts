// The program of a worker's process or thread. Messages of the caller arrive through whatever started it.
import type { EventEmitter } from "node:events";
import { parentPort, type MessagePort } from "node:worker_threads";
import { ReviewKdError } from "../errors.js";
import { CHILD_MARK } from "../install/runtime.js";
import { allowEndWithoutTerminal, isHangUpIgnored } from "../runs/hang-up.js";
import { API_TABLE } from "./api-table.js";
import { API } from "./api.js";
import type { Channel } from "./protocol.js";
import { WorkerServer } from "./server.js";

interface Port extends Channel {
  /** Called when the caller is gone. */
  onGone: (listener: () => void) => unknown;
  /** Ends this process or thread once everything posted has been sent. */
  end: () => void;
}

/** The port of Electron's utility process, which has a name of its own. */
type UtilityPort = EventEmitter & Pick<MessagePort, "postMessage">;

function findPort(): Port {
  const utility = (process as { readonly parentPort?: UtilityPort }).parentPort;
  if (utility !== undefined) return utilityPort(utility);
  // Before `process.send`, which in Deno a thread has as well.
  if (parentPort !== null) return threadPort(parentPort);
  if (process.send !== undefined) return processPort(process.send.bind(process));
  throw new ReviewKdError("INTERNAL",
    "invalid start: expected a caller, received none. Start the worker with startWorker of reviewkd/worker.");
}

function threadPort(port: MessagePort): Port {
  return {
    post: port.postMessage.bind(port),
    onMessage: (listener) => port.on("message", listener),
    // A thread ends with its process, without notice.
    onGone: () => undefined,
    end() {
      // Deno's port cannot be closed.
      if ("close" in port) port.close();
      else process.exit();
    },
  };
}

function utilityPort(port: UtilityPort): Port {
  return {
    post(message) {
      port.postMessage(message);
    },
    onMessage: (listener) =>
      port.on("message", ({ data }: { readonly data: unknown }) => {
        listener(data);
      }),
    // Electron ends its utility processes at once when it quits or is killed. Others send a signal that leaves time to
    // save.
    onGone: (listener) => onEndSignal(listener),
    end: () => process.exit(),
  };
}

function processPort(send: NonNullable<typeof process.send>): Port {
  return {
    // "disconnect" reports a caller that has just gone.
    post: (message) => process.connected && send(message, undefined, {}, () => undefined),
    onMessage: (listener) => process.on("message", listener),
    onGone: (listener) => onEndSignal(listener).on("disconnect", listener),
    end: () => process.exit(),
  };
}

/** Listens to the signals by which a caller or a system ends this process. */
function onEndSignal(listener: () => void): NodeJS.Process {
  allowEndWithoutTerminal();
  // The warning of a scheduler, which Windows does not have.
  if (process.platform !== "win32") process.on("SIGUSR1", listener);
  // A closed terminal ends all its processes, unless they were started to survive it.
  return process.on("SIGTERM", listener).on("SIGHUP", isHangUpIgnored() ? () => undefined : listener);
}

// This is the worker, not the application in its place: it may try the addon in a process of its own.
Reflect.deleteProperty(process.env, CHILD_MARK);
const port = findPort();
let ending: Promise<void> | undefined;
function end(): void {
  ending ??= server.end().then(() => {
    port.end();
  });
}

// Ctrl-C reaches all processes of a terminal at once. Here the caller decides; when it ends, this process saves and
// ends as well.
process.on("SIGINT", () => undefined);
port.onGone(end);
const server = new WorkerServer({
  table: API_TABLE,
  implementation: API,
  channel: port,
  onClose: end,
  onInvalid: (error) => {
    // A peer that sends invalid messages cannot be answered.
    console.error(error.message);
    process.exitCode = 1;
    end();
  },
});
