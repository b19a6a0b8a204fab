// The longest message that a site takes.

/**
 * Bytes of a body: RabbitMQ's own limit (`max_message_size`, rabbitmq.com/docs/configure), beyond which it closes the channel, and that of
 * core/batch.ts. Only an event that travels alone comes near it.
 */
export const MESSAGE_BYTES = 16 * 1024 * 1024;
