// What is used of the package webhdfs 1.2.0, which has no types. It hands back the request that it made (package request).
declare module 'webhdfs' {
  import type { EventEmitter } from 'node:events';
  import type { Agent, ClientRequest, IncomingMessage } from 'node:http';

  interface WebhdfsResponse extends IncomingMessage {
    statusCode: number;
    /** Parsed where it is JSON; undefined where the answer was empty. */
    body: unknown;
  }

  export interface WebhdfsRequest extends EventEmitter {
    /** Null until it was sent. */
    readonly req?: ClientRequest;
    prependListener(event: 'complete', listener: (response: WebhdfsResponse) => void): this;
    prependListener(event: 'error', listener: (error: Error) => void): this;
    /** Ends without another event. */
    abort(): void;
  }

  type Done = (error?: unknown) => void;

  /** Paths are put into the URL as they are: `%` must be encoded before. */
  export interface WebhdfsClient {
    stat(path: string, done: Done): WebhdfsRequest;
    mkdir(path: string, done: Done): WebhdfsRequest;
    unlink(path: string, done: Done): WebhdfsRequest;
  }

  interface Options {
    readonly protocol: string;
    readonly host: string;
    readonly port: string;
    readonly path: string;
    readonly user?: string;
  }

  /** Handed to `request`. */
  interface RequestParams {
    readonly agent: Agent;
    readonly proxy: null;
    readonly followRedirect: boolean;
    readonly qs: Readonly<Record<string, string>>;
  }

  const webhdfs: { createClient(options: Options, requestParams: RequestParams): WebhdfsClient };
  export default webhdfs;
}
