/** 1234567 → "1,234,567". */
export function formatCount(value: number): string {
  return value.toLocaleString("en-US");
}

export function formatPercent(value: number): string {
  return value.toFixed(1);
}

/** A metric of a task without its unit. */
export function formatMetric({ unit }: { readonly unit: string }, value: number): string {
  return unit === "%" ? formatPercent(value) : formatLoss(value);
}

/** The same with its unit. */
export function formatWithUnit(metric: { readonly unit: string }, value: number): string {
  return `${formatMetric(metric, value)}${metric.unit === "" ? "" : ` ${metric.unit}`}`;
}

/** The same of a result. COCO's rules give -1 where there is nothing to measure. */
export function formatResult(metric: { readonly unit: string }, value: number): string {
  return value === -1 ? "no such objects" : formatWithUnit(metric, value);
}

/** A loss in four digits that matter, also when it is huge or tiny. */
export function formatLoss(value: number): string {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : value.toFixed(4);
}

/** 75 → "1m15s", 3.21 → "3.2s", 7300 → "2h01m". */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  const pad = (value: number): string => String(value).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)}m${pad(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${pad(Math.floor((whole % 3600) / 60))}m`;
}

/** Work whose parts take equally long. */
export interface Work {
  /** In milliseconds, by the clock that `now` is read from. */
  readonly startedAt: number;
  readonly done: number;
  readonly total: number;
}

/** ", 12s left", nothing before the first part is done. */
export function formatTimeLeft({ startedAt, done, total }: Work, now: number): string {
  return done === 0 ? "" : `, ${formatDuration(((now - startedAt) / 1000 / done) * (total - done))} left`;
}

/** Untrusted text in one line without control characters, safe to print. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, " ");
}

/** Untrusted text in one line, in which control characters are written as in JSON and in notices: `\n`. */
export function escaped(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
}

/** The same as {@link printable} of text that has lines. */
export function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

/** Bytes in the largest binary unit that leaves at least 1. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(bytes) / 10)));
  return `${unit === 0 ? bytes : (bytes / 1024 ** unit).toFixed(1)} ${units[unit]}`;
}

/** Comma-separated words in lines of at most `width` characters; longer words get their own line. */
export function wrapList(words: readonly string[], width: number): string {
  return wrap(words.map((word, index) => (index < words.length - 1 ? `${word},` : word)), width);
}

/** Text in lines of at most `width` characters; longer words get their own line. */
export function wrapWords(text: string, width: number): string {
  return wrap(text.split(" "), width);
}

function wrap(items: readonly string[], width: number): string {
  const lines: string[] = [];
  for (const item of items) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + 1 + item.length <= width) lines[lines.length - 1] = `${line} ${item}`;
    else lines.push(item);
  }
  return lines.join("\n");
}
