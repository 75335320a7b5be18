// Human-readable numbers and times.

/** 2 min 5 s. */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

export function formatPercent(value: number): string {
  return `${value.toFixed(1)} %`;
}

/** A difference of percentages, with its sign. */
export function formatPoints(difference: number): string {
  const [sign, size] = [difference < 0 ? "−" : "+", Math.abs(difference).toFixed(1)];
  return `${size === "0.0" ? "±" : sign}${size} points`;
}

/** 78,042. */
export function formatCount(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** The time in a run's name. */
export function formatRunTime(name: string): string {
  const [date = "", time = "", count] = name.split("_");
  return `${date} ${time.split("-").slice(0, 2).join(":")}${count === undefined ? "" : ` (${count})`}`;
}
