// The window: one state, rendered when it changes.
import "./without-eval.js";
import type { Bridge, Failure, Plan, Run } from "../shared/contract.js";
import { askerFor, failureIn } from "./ask.js";
import { formatRunTime } from "./format.js";
import { byId, element, replaceIfNew, setText } from "./page.js";
import { PlanForm } from "./plan-form.js";
import { remedyFor } from "./remedies.js";
import { RunView, STATUS_NAMES } from "./run-view.js";
import { activeRun, afterUpdate, selectedRun, START, withRun, type State } from "./state.js";
import { accuracySentence } from "./views.js";

declare global {
  interface Window {
    readonly trainer: Bridge;
  }
}

const asker = askerFor(window.trainer);
let state: State = START;
let waiting = false;

/** Changes the state, and renders it once before the next frame. */
function change(next: State): void {
  state = next;
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    show();
  });
}

const fail = (error: unknown): void => {
  const failure = failureIn(error);
  const code = error instanceof Error && error.cause === "INVALID_ARGUMENT" ? "INVALID_ARGUMENT" : failure.code;
  change({ ...state, failure: { ...failure, code } });
};
const select = (selected: string | null): void => {
  change({ ...state, selected, failure: null });
};
const showRun = (run: Run): void => {
  change({ ...withRun(state, run), selected: run.name, failure: null });
};

const form = new PlanForm({ asker, onFailure: fail, onPlan: async (plan: Plan) => {
  showRun(await asker.ask("start", plan));
} });
const view = new RunView({
  onStop: () => {
    asker.ask("stop", {}).catch(fail);
  },
  onResume: (run) => {
    asker.ask("resume", { run }).then(showRun, fail);
  },
  onExport: (run, checkpoint, format) => {
    asker.ask("exportStudent", { run, checkpoint, format }).then((saved) => {
      if (saved !== null) say(`The student was saved as ${saved.path}.`);
    }, fail);
  },
});

function show(): void {
  const run = selectedRun(state);
  const active = activeRun(state);
  byId("plan", HTMLElement).hidden = run !== undefined;
  byId("run", HTMLElement).hidden = run === undefined;
  byId("closing", HTMLElement).hidden = !state.closing;
  if (run !== undefined)
    view.show(run, state.live[run.name] ?? {}, state.warnings[run.name] ?? [], active !== undefined);
  form.allow(state.description !== null && active === undefined,
    active === undefined ? "The trainer is starting." : "Another run is active.");
  showRuns(state.runs, run?.name ?? null);
  showFailure(state.failure ?? run?.failure ?? null);
}

function showRuns(runs: readonly Run[], selected: string | null): void {
  byId("no-runs", HTMLElement).hidden = runs.length > 0;
  byId("new-run", HTMLButtonElement).setAttribute("aria-current", String(selected === null));
  replaceIfNew(byId("runs", HTMLElement), ...runs.map(({ name, plan, status }) =>
    element("li", {}, element(
      "button",
      { type: "button", class: "run-entry", "data-run": name, "aria-current": String(name === selected) },
      element("strong", {}, `${plan.student} under ${plan.teacher}`),
      element("span", { class: "small status", "data-status": status }, STATUS_NAMES[status]),
      element("span", { class: "small quiet" }, ` · ${formatRunTime(name)}`),
    ))
  ));
}

function showFailure(failure: Failure | null): void {
  byId("notice", HTMLElement).hidden = failure === null;
  if (failure === null) return;
  setText(byId("notice-remedy", HTMLElement), remedyFor(failure.code));
  setText(byId("notice-code", HTMLElement), failure.code);
  setText(byId("notice-message", HTMLElement), failure.message);
  setText(byId("notice-valid", HTMLElement),
    failure.valid.length === 0 ? "" : `Valid names: ${failure.valid.join(", ")}`);
}

/** Shows a message, also to users of screen readers. */
function say(text: string): void {
  setText(byId("status", HTMLElement), text);
  const run = selectedRun(state);
  if (run !== undefined)
    change({ ...state, warnings: { ...state.warnings, [run.name]: [...(state.warnings[run.name] ?? []), text] } });
}

byId("new-run", HTMLButtonElement).addEventListener("click", () => {
  select(null);
  requestAnimationFrame(() => {
    form.focus();
  });
});
byId("runs", HTMLElement).addEventListener("click", ({ target }) => {
  const entry = target instanceof Element ? target.closest<HTMLElement>("[data-run]") : null;
  if (entry !== null) select(entry.dataset["run"] ?? null);
});
byId("notice-close", HTMLButtonElement).addEventListener("click", () => {
  const name = state.failure === null ? state.selected : null;
  change({ ...state, failure: null,
    runs: state.runs.map((run) => run.name === name ? { ...run, failure: null } : run) });
});

asker.onUpdate((update) => {
  change(afterUpdate(state, update));
  if (update.type !== "epoch") return;
  const run = state.runs.find(({ name }) => name === update.run);
  if (run !== undefined && run.name === state.selected) setText(byId("status", HTMLElement), accuracySentence(run));
});

/** Loads the stored runs; after a reload of this page one of them may be active. */
async function begin(): Promise<void> {
  const runs = await asker.ask("runs", {});
  change({ ...state, runs,
    selected: runs.find(({ status }) => status === "running" || status === "stopping")?.name ?? null });
  const description = await asker.ask("describe", {});
  form.offer(description);
  const { version, libtorch, threads, device, noGpu, pid } = description;
  setText(byId("about", HTMLElement),
    `reviewkd ${version}, libtorch ${libtorch}. ${device}, ${threads} threads. Trainer: process ${pid}.`);
  byId("no-gpu", HTMLElement).hidden = noGpu === null;
  setText(byId("no-gpu-reason", HTMLElement), noGpu ?? "");
  change({ ...state, description });
}

begin().catch((error: unknown) => {
  setText(byId("about", HTMLElement), "The trainer did not start.");
  fail(error);
});
