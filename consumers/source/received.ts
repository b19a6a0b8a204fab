// A message of a stream in the neutral terms of core/batch.ts.
import type { ReceivedMessage } from '#core/batch.ts';
import type { StreamMessage } from './delivery.ts';

export function receivedOf({
  messageProperties,
  applicationProperties,
  messageAnnotations,
  content,
}: StreamMessage): ReceivedMessage {
  return {
    headers: applicationProperties,
    contentType: messageProperties.contentType,
    contentEncoding: messageProperties.contentEncoding,
    messageId: messageProperties.messageId,
    routingKey: messageAnnotations['x-routing-key'],
    body: content,
  };
}
