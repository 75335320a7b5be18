import type { Command } from "commander";
import { fetchDataset, loadDataset, type DataSourceInput } from "../../index.js";
import { formatBytes, formatCount, wrapList } from "../display/format.js";
import { listenForInterrupt } from "../interrupt.js";
import { processOutput, type Output } from "../display/output.js";
import { openBar } from "../display/progress-bar.js";
import { renderTable } from "../display/table.js";
import { addJson, addValue } from "../options/add-value.js";
import { addImageFolder, dataSettings, type TrainingFlags } from "../options/training-flags.js";
import { DATA_SPECS, dataSpec, oneOf, text } from "../options/values.js";

const FETCHABLE = ["cifar10", "cifar100"] as const;
type Fetchable = (typeof FETCHABLE)[number];

/** Interval of progress lines without an interactive terminal. */
const PLAIN_PROGRESS_MS = 10_000;

/** Maximum line width of the list of class names. */
const NAMES_WIDTH = 60;

/** `reviewkd data`: downloads and inspects data sets. */
export function addDataCommand(program: Command): void {
  const data = program.command("data").description("download or inspect a data set");
  const fetch = data.command("fetch").description(
    "download a data set from its home page; resumes an interrupted download",
  );
  fetch.argument("<kind>", FETCHABLE.join(" or "), oneOf(FETCHABLE)("data set"));
  addValue(fetch, "--dir <dir>", "parent directory of the data set's directory (default: data)", text);
  addValue(fetch, "--url <url>", "alternative URL of the archive; its checksum is still verified", text);
  addJson(fetch).action(fetchInto);

  const info = data.command("info").description("counts, classes and statistics of a data set");
  info.argument("<kind:dir>", DATA_SPECS);
  addImageFolder(info);
  addJson(info).action(showInfo);
}

async function fetchInto(kind: Fetchable, flags: { dir?: string; url?: string; json?: true }): Promise<void> {
  const output = processOutput(flags.json === true);
  using interrupt = listenForInterrupt(() => {
    output.notice("\nstopping; run the same command again to resume");
  });
  const progress = fetchProgress(output, kind);
  try {
    const directory = await fetchDataset({
      kind,
      directory: flags.dir ?? "data",
      signal: interrupt.signal,
      onProgress: progress.update,
      ...(flags.url === undefined ? {} : { url: flags.url }),
    });
    progress.close();
    output.event({ type: "fetched", kind, directory });
    output.line(`${kind} is in ${directory}; use it with --data ${kind}:${directory}`);
  } finally {
    progress.close();
  }
}

interface FetchProgress {
  readonly update: (progress: { readonly receivedBytes: number; readonly totalBytes: number | null }) => void;
  close(): void;
}

function fetchProgress(output: Output, kind: Fetchable): FetchProgress {
  const bar = openBar();
  let quietSince = performance.now();
  return {
    update({ receivedBytes, totalBytes }) {
      const amount = `${formatBytes(receivedBytes)}${totalBytes === null ? "" : ` of ${formatBytes(totalBytes)}`}`;
      if (output.interactive && totalBytes !== null) {
        bar.update(receivedBytes, totalBytes, { label: kind, text: amount });
      } else if (performance.now() - quietSince >= PLAIN_PROGRESS_MS) {
        quietSince = performance.now();
        output.line(`${kind}: ${amount}`);
        output.event({ type: "fetch-progress", kind, receivedBytes, totalBytes });
      }
    },
    close() {
      bar.clear();
    },
  };
}

async function showInfo(spec: string, flags: TrainingFlags): Promise<void> {
  const output = processOutput(flags.json === true);
  using data = await loadDataset(dataSettings({ ...flags, data: dataSpec("data set")(spec) }) as DataSourceInput);
  const { kind, numClasses, classNames, normalization, train, test } = data;
  output.event({
    type: "data",
    kind,
    numClasses,
    classNames,
    normalization,
    trainSamples: train.size,
    testSamples: test.size,
    imageShape: train.imageShape,
  });
  const statistics = (values: readonly number[]): string => values.map((value) => value.toFixed(4)).join(", ");
  output.line(renderTable([kind, ""], [
    ["training images", formatCount(train.size)],
    ["test images", formatCount(test.size)],
    ["image shape", train.imageShape.join(" × ")],
    ["classes", formatCount(numClasses)],
    ["mean", statistics(normalization.mean)],
    ["deviation", statistics(normalization.std)],
    ["class names", wrapList(classNames, NAMES_WIDTH)],
  ]));
}
