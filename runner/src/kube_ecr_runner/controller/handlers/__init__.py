"""From messages to work: each handler takes one kind of message into the store and enqueues the work that follows.

The triggers and settle() decide what there is to do, the handlers carry it out. All are called from the thread of the
loop, with the time at which the message was received.
"""
