/** The connection of a child process to the recording runtime. */
import { connect } from "../../scripts/cuda/recording-control.js";

export const control = connect();
