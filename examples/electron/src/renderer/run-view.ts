// One run: its progress, its curves, its results.
import type { Part, Run } from "../shared/contract.js";
import { CurveChart } from "./charts.js";
import { formatPercent, formatRunTime, formatSeconds } from "./format.js";
import { byId, element, replaceIfNew, setText } from "./page.js";
import { isActive, partUnderWay, type Live } from "./state.js";
import { accuracyCurves, accuracySentence, accuracyTable, lossCurves, PART_NAMES, resultsOf, SHORT_PART_NAMES,
  stepsOf } from "./views.js";

export const STATUS_NAMES: Readonly<Record<Run["status"], string>> = {
  running: "running",
  stopping: "finishing its step and saving",
  stopped: "stopped",
  failed: "failed",
  finished: "finished",
};

export interface RunViewOptions {
  readonly onStop: () => void;
  readonly onResume: (run: string) => void;
  readonly onExport: (run: string, checkpoint: "last" | "best", format: "safetensors" | "pt") => void;
}

export class RunView {
  readonly #accuracy = new CurveChart(byId("accuracy", HTMLElement), { format: formatPercent, marks: true });
  readonly #loss = new CurveChart(byId("loss", HTMLElement), { format: (value) => value.toFixed(3), marks: false });
  readonly #stop = byId("stop", HTMLButtonElement);
  readonly #resume = byId("resume", HTMLButtonElement);
  #name = "";
  /** The part whose loss the user selected; null: that of the active part. */
  #lossPart: Part | null = null;
  #refresh: () => void = () => undefined;

  constructor({ onStop, onResume, onExport }: RunViewOptions) {
    this.#stop.addEventListener("click", onStop);
    this.#resume.addEventListener("click", () => {
      onResume(this.#name);
    });
    byId("export", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const [checkpoint, format] = [byId("export-checkpoint", HTMLSelectElement).value,
        byId("export-format", HTMLSelectElement).value];
      onExport(this.#name, checkpoint === "best" ? "best" : "last", format === "pt" ? "pt" : "safetensors");
    });
    byId("loss-parts", HTMLElement).addEventListener("click", ({ target }) => {
      if (!(target instanceof HTMLButtonElement)) return;
      this.#lossPart = target.dataset["part"] as Part;
      this.#refresh();
    });
  }

  show(run: Run, live: Partial<Record<Part, Live>>, warnings: readonly string[], busy: boolean): void {
    if (run.name !== this.#name) this.#lossPart = null;
    this.#name = run.name;
    this.#refresh = () => {
      this.show(run, live, warnings, busy);
    };
    const { plan, status } = run;
    setText(byId("run-title", HTMLElement), `${plan.student} under ${plan.teacher}`);
    const statusText = byId("run-status", HTMLElement);
    setText(statusText, STATUS_NAMES[status]);
    statusText.dataset["status"] = status;
    setText(byId("run-facts", HTMLElement),
      `· ${plan.method} on ${dataName(run)} · ${plan.epochs} epochs · batch ${plan.batchSize} · learning rate ${plan.learningRate} · ${formatRunTime(run.name)}`);
    this.#showActions(run, busy);
    this.#showSteps(run, live);
    this.#showCharts(run, live);
    this.#showResults(run);
    replaceIfNew(byId("warnings", HTMLElement), ...warnings.map((message) => element("li", {}, message)));
  }

  #showActions({ status, parts }: Run, busy: boolean): void {
    this.#stop.hidden = status !== "running" && status !== "stopping";
    this.#stop.disabled = status === "stopping";
    setText(this.#stop, status === "stopping" ? "Saving…" : "Stop");
    this.#resume.hidden = status !== "stopped" && status !== "failed";
    this.#resume.disabled = busy;
    this.#resume.title = busy ? "Another run is active." : "";
    // The student can be exported at any time after its first epoch.
    byId("export", HTMLFormElement).hidden = (parts.find(({ part }) => part === "distilled")?.epochs.length ?? 0) === 0;
  }

  #showSteps(run: Run, live: Partial<Record<Part, Live>>): void {
    replaceIfNew(byId("steps", HTMLElement),
      ...stepsOf(run, live).map(({ part, network, state, fraction, text }) =>
        element(
          "li",
          { "data-part": part, "data-state": state },
          element("div", { class: "step-title" }, element("strong", {}, PART_NAMES[part]),
            element("span", { class: "quiet" }, state === "done" ? `✓ ${text}` : text)),
          element("span", { class: "quiet small" }, network),
          element("progress", { max: "1", value: fraction.toFixed(4), "aria-label": `${PART_NAMES[part]}, ${text}` }),
        )
      ));
    const progress = isActive(run) ? live[partUnderWay(run)]?.progress : undefined;
    const waiting = run.parts.filter(({ done }) => !done).length - 1;
    const then = waiting > 0 ? `, then ${waiting} more ${waiting === 1 ? "training" : "trainings"}` : "";
    setText(byId("rate", HTMLElement), progress === undefined
      ? isActive(run) ? "Getting ready…" : ""
      : `${PART_NAMES[progress.part]}: ${Math.round(progress.imagesPerSecond)} images/s · ${formatSeconds(progress.etaSeconds)} to go${then}`);
  }

  #showCharts(run: Run, live: Partial<Record<Part, Live>>): void {
    const { epochs } = run.plan;
    this.#accuracy.show(accuracyCurves(run), epochs, accuracySentence(run));
    const shown = this.#lossPart ?? partUnderWay(run);
    replaceIfNew(byId("loss-parts", HTMLElement),
      ...run.parts.map(({ part }) =>
        element("button", { type: "button", "data-part": part, "aria-pressed": String(part === shown) },
          SHORT_PART_NAMES[part])
      ));
    const curves = lossCurves(run, shown, live[shown]);
    const last = curves.map(({ name, points }) => `${name} ${points.at(-1)?.[1].toFixed(3) ?? "unknown"}`).join("; ");
    this.#loss.show(curves, epochs, `Losses of the part "${PART_NAMES[shown]}" over its epochs. ${last}.`);
  }

  #showResults(run: Run): void {
    replaceIfNew(byId("results", HTMLElement), ...resultsOf(run).map(({ part, network, last, note }) =>
      element(
        "div",
        { "data-part": part },
        element("dt", {}, `${PART_NAMES[part]} · ${network}`),
        element("dd", { class: "figure" }, last === null ? "–" : formatPercent(last)),
        element("dd", { class: "quiet small" }, note),
      )
    ));
    const { head, rows } = accuracyTable(run);
    replaceIfNew(byId("table", HTMLElement),
      element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((text) => element("td", {}, text))))));
  }
}

function dataName({ plan: { data } }: Run): string {
  switch (data.kind) {
    case "synthetic":
      return `${data.trainSamples} drawn images`;
    case "cifar10":
      return "CIFAR-10";
    case "cifar100":
      return "CIFAR-100";
    case "image-folder":
      return `images of ${data.root}`;
  }
}
