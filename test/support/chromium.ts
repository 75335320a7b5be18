/** The browser in which pages are tested. */
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { chromium, type Browser } from "playwright-core";

/** The path of a Chromium: the one that REVIEWKD_CHROMIUM names, or the first on PATH. */
export function findChromium(): string | undefined {
  // @env REVIEWKD_CHROMIUM tests: The Chromium in which the example's window and the site are tested. Default: the
  // first on `PATH`.
  const named = process.env["REVIEWKD_CHROMIUM"];
  if (named !== undefined && named !== "") return named;
  const places = (process.env["PATH"] ?? "").split(delimiter);
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const others = ["/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"];
  return [...names.flatMap((name) => places.map((place) => join(place, name))), ...others].find((path) =>
    existsSync(path)
  );
}

/** Starts Chromium without a window, without a sandbox, which root may not use, and without downloads of its own. */
export function launchChromium(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"] });
}
