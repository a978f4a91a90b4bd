import { backfilling } from './backfilling.ts';
import type { Experiment } from './experiment.ts';
import { gpuFragmentation } from './gpu-fragmentation.ts';
import { llmRequests } from './llm-requests.ts';
import { misprediction } from './misprediction.ts';
import { threeAlgorithms } from './three-algorithms.ts';
import { threeTenants } from './three-tenants.ts';
import { whereEachLoses } from './where-each-loses.ts';

/** Every experiment that `haven lab run` knows. */
export const EXPERIMENTS: readonly Experiment[] = [threeAlgorithms, gpuFragmentation, backfilling, misprediction, llmRequests, threeTenants, whereEachLoses];
