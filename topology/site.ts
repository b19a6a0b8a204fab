// One site's management API with the administrator of the configuration, or on a new broker with guest.
import type { Config, SiteConfig } from '#core/config/config.ts';
import { passwordOf } from './credentials.ts';
import { management, ManagementError, path, type Management } from './management.ts';
import { USER_TOPOLOGY } from './names.ts';

export interface OpenSite {
  readonly api: Management;
  /** Logged in as guest, since the administrator does not exist yet. */
  readonly bootstrap: boolean;
}

/** Rejects with an error for people where the site does not answer, or lets nobody in who may administer it. */
export async function openSite(config: Config, site: SiteConfig): Promise<OpenSite> {
  const api = administrator(config, site);
  if (await isAdministrator(api)) return { api, bootstrap: false };
  const guest = management(site.management, 'guest', 'guest', site.tls);
  if (await isAdministrator(guest)) return { api: guest, bootstrap: true };
  throw new Error(
    `${api.url} refuses ${USER_TOPOLOGY} with the password of users.${USER_TOPOLOGY}, and guest too. ` +
      `Make it by hand on a node: rabbitmqctl add_user ${USER_TOPOLOGY} PASSWORD && rabbitmqctl set_user_tags ${USER_TOPOLOGY} administrator`,
  );
}

export function administrator(config: Config, site: SiteConfig): Management {
  return management(site.management, USER_TOPOLOGY, passwordOf(config, USER_TOPOLOGY), site.tls);
}

async function isAdministrator(api: Management): Promise<boolean> {
  try {
    const answer = (await api.get(path('whoami'))) as { readonly tags?: unknown } | null;
    return String(answer?.tags).split(',').includes('administrator');
  } catch (error) {
    if (error instanceof ManagementError && (error.status === 401 || error.status === 403)) return false;
    throw error;
  }
}
