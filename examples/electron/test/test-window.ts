// The kinds of windows that the scenarios run in: a page of Chromium on a substitute for Electron, and Electron's own.
import type { Page } from "playwright-core";
import type { Bench } from "./driver.js";

export type Theme = "light" | "dark";

/** The reason why there is no window of a kind. */
export interface Skipped {
  readonly missing: string;
}

/** The application in a window. */
export interface TestWindow {
  readonly page: Page;
  /** Unexpected output of the page's console: errors, and violations of the content security policy. */
  readonly complaints: string[];
  /** Chooses a path in the next dialog. */
  answerDialog(path: string): Promise<void>;
  /** Changes the system's theme. */
  setTheme(theme: Theme): Promise<void>;
  /** Makes the window as small as it may become. */
  shrink(): Promise<void>;
  /** Ends the process of the page, and returns the page that the application loads in its place. */
  crashPage(): Promise<Page>;
  /** Closes the window as its user does, and waits for the end of the application. Does nothing the second time. */
  close(): Promise<void>;
}

export interface WindowKind<Kind extends TestWindow = TestWindow> {
  /** Starts the application with the data of a bench. */
  open(bench: Bench, theme: Theme): Promise<Kind>;
  end(): Promise<void>;
  /** Part of the message about a trainer that was killed. */
  readonly reasonOfKilled: RegExp;
}

/** The size of the page in pictures. */
export const PAGE_SIZE = { width: 1180, height: 800 };
