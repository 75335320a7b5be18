// Started by Electron in place of the application of the AppImage: runs the program or the package that the command
// line names, as the application does that Electron's own package contains.
"use strict";
const { readFileSync, statSync } = require("node:fs");
const { join, resolve } = require("node:path");
const { app } = require("electron");

const at = process.argv.findIndex((word, index) => index > 0 && !word.startsWith("-"));
if (at < 0) throw new Error("expected the path of an application, received none.");
const path = resolve(process.argv[at]);
process.defaultApp = true;
process.argv.splice(1, at - 1);
if (statSync(path).isDirectory()) {
  const { name, version, main = "index.js" } = JSON.parse(readFileSync(join(path, "package.json"), "utf8"));
  app.setAppPath(path);
  if (name) app.setName(name);
  if (version) app.setVersion(version);
  require(join(path, main));
} else {
  require(path);
}
