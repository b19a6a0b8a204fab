// Who may do what at a broker: least rights, as anchored regular expressions for configure, write and read.
import * as names from './names.ts';

const { PATTERNS } = names;

export interface Rights {
  /** Of the management API. */
  readonly tags: readonly string[];
  /** Null: no rights in the vhost at all. */
  readonly permission: { readonly configure: string; readonly write: string; readonly read: string } | null;
}

/** Rights of a user of the configuration; a name that is no role is a log sink. */
export function rightsOf(user: string): Rights {
  switch (user) {
    case names.USER_TOPOLOGY:
      return {
        tags: ['administrator'],
        permission: { configure: PATTERNS.everything, write: PATTERNS.everything, read: PATTERNS.everything },
      };
    case names.USER_FEDERATION:
      // At the site it copies from, a link declares its buffer and binds it to `events`.
      return allow(PATTERNS.ownBuffers, PATTERNS.ownBuffers, PATTERNS.federationReads);
    case names.USER_AGENT:
      return allow(PATTERNS.nothing, PATTERNS.published, PATTERNS.nothing);
    case names.USER_OPERATOR:
      return allow(PATTERNS.nothing, PATTERNS.sink, PATTERNS.nothing);
    case names.USER_MONITORING:
      return { tags: ['monitoring'], permission: null };
    default:
      return allow(PATTERNS.nothing, PATTERNS.dead, PATTERNS.log);
  }
}

function allow(configure: string, write: string, read: string): Rights {
  return { tags: [], permission: { configure, write, read } };
}
