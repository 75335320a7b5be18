// Prints the default number of threads, the reason for it and the processors that the process may use.
import { systemInfo } from "reviewkd";

const { threads, threadsFrom, processors } = await systemInfo();
console.log(JSON.stringify({ threads, threadsFrom, processors }));
