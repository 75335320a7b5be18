// The entry point of Electron's main process.
import * as electron from "electron";
import { fileURLToPath } from "node:url";
import { runApplication } from "./application.js";

const builtFile = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

// Not awaited: Electron is ready only after this module has finished.
runApplication(electron, { page: builtFile("index.html"), preload: builtFile("preload.cjs"), via: "utilityProcess" })
  .catch((error: unknown) => {
    electron.dialog.showErrorBox("The application cannot start",
      error instanceof Error ? error.message : String(error));
    electron.app.exit(1);
  });
