import type { WorkEvent } from "../../index.js";
import type { Reporter } from "./fit-reporter.js";
import type { Output } from "./output.js";
import { createStudyReporter } from "./study-reporter.js";

const RETURNED: Readonly<Record<Extract<WorkEvent, { type: "work-returned" }>["reason"], string>> = {
  teacher: "waits for its teacher",
  locked: "is locked, and tried again later",
  unreadable: "cannot be read here and was given back",
  stopped: "was saved and given back",
  lost: "was given to another worker",
};

/** Displays the events of a worker: those of its cells as a study does. */
export function createWorkReporter(output: Output): Reporter<WorkEvent> {
  // The events of cells are within those of the worker.
  const cells = createStudyReporter({ ...output, event() {} }, "cell");
  let shown: string | undefined;
  const waiting = new Set<string>();
  return {
    handle(event) {
      output.event(event);
      if (event.type === "work-cell") {
        if (event.event.type === "cell-start" && event.directory !== shown) output.line(`study ${event.directory}`);
        if (event.event.type === "cell-start") shown = event.directory;
        cells.handle(event.event);
        return;
      }
      cells.close();
      const line = lineOf(event);
      // A cell that waits is tried again and again.
      const isKnown = event.type === "work-returned" && waiting.has(line);
      waiting.add(line);
      if (!isKnown) output.line(line);
    },
    close: cells.close,
  };
}

function lineOf(event: Exclude<WorkEvent, { type: "work-cell" }>): string {
  switch (event.type) {
    case "work-start":
      return `worker ${event.worker} on ${event.queue}`;
    case "work-idle":
      return "waiting for cells";
    case "work-returned":
      return `cell ${event.index} of ${event.directory} ${RETURNED[event.reason]}${reasonIn(event)}`;
    case "work-failed":
      return `cell ${event.index} of ${event.directory} failed [${event.code}]: ${event.message}`;
    case "work-end":
      return `the queue is empty: ${event.done} cells done, ${event.failed} failed`;
  }
}

/** Why a cell went back, where the user may have to help: the error that ends the worker is printed anyway. */
function reasonIn({ reason, message }: Extract<WorkEvent, { type: "work-returned" }>): string {
  return reason === "locked" && message !== null ? `: ${message}` : "";
}
