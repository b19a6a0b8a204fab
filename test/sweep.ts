// Removes the containers, networks and volumes that a killed test run left: those whose label names a process that is gone.
// A run beside this one lives, and keeps what it has.
import { sweep } from './docker.ts';

await sweep();
