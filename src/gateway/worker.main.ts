import process from 'node:process';
import { runWorker } from './worker.ts';

runWorker(process);
