/** How the connections of one listener are treated. Plain data: it is sent to every worker. */
export interface ListenerSettings {
  /** All its requests go to the service that has this port. */
  readonly internalPort?: number;
}

/** An ordinary listener for clients: what they say of themselves is not believed, and requests are routed by host and path. */
export const PLAIN_LISTENER: ListenerSettings = {};
